// A 20 mm cube with its axes' names cut into its faces: the shortest honest test of a new machine.

$fn = 32;
side = 20;
depth = 0.6;

module letter(c) {
  linear_extrude(depth + 0.01)
    text(c, size = 10, font = "DejaVu Sans:style=Bold", halign = "center", valign = "center");
}

difference() {
  translate([-side / 2, -side / 2, 0]) cube(side);
  translate([0, -side / 2 + depth, side / 2]) rotate([90, 0, 0]) letter("X");
  translate([side / 2 - depth, 0, side / 2]) rotate([90, 0, 90]) letter("Y");
  translate([0, 0, side - depth]) letter("Z");
}
