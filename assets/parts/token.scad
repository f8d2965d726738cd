// A 30 mm token with an anchor, 1.2 mm thick: prints in a few minutes, for scenarios that only need a print.

$fn = 64;
thick = 1.2;
relief = 0.8;

module anchor() {
  difference() { translate([0, 9]) circle(d = 5); translate([0, 9]) circle(d = 2.4); }
  translate([-0.9, -9]) square([1.8, 16.5]);
  translate([-5, 4]) square([10, 1.8]);
  difference() {
    circle(d = 20);
    circle(d = 16.4);
    translate([-15, -3]) square([30, 30]);
  }
  for (s = [-1, 1]) translate([s * 9.1, -3.2]) rotate(s * 20) polygon([[-2.2, 0], [2.2, 0], [0, 3.4]]);
}

linear_extrude(thick) difference() {
  translate([-15, -15]) square(30);
  // Cut corners on one diagonal only, so that a mirrored or turned print shows.
  translate([15, 15]) rotate(45) square(8, center = true);
}
translate([0, 0, thick - 0.01]) linear_extrude(relief) anchor();
