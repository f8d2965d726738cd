// A ship in a dry dock, 40 x 40 x 14 mm: the bundled test print.
//
// It is a ringing test that is also nice to keep. What each feature is for:
//   sharp outer corners and flat walls   a corner excites the frame, the wall behind it shows the decay
//   notches in the left and front wall   a second, harder excitation per wall: X on one axis, Y on the other
//   raised name and small mooring posts  short moves at full acceleration, many retractions
//   stepped walls, hull, funnel          every layer differs, so a shifted layer is seen at once
//   thin caisson gate                    a tall thin wall that shows pressure-advance errors at its ends
//
// Prints without supports. Remake the STL and the slices with ./slice.sh.

$fn = 48;
eps = 0.01;

side = 40;        // outer square
height = 11;      // quay level
floor_z = 1.6;    // dock floor
wall = 5;         // quay width at the top
step_w = 1.0;     // each altar (step) inside the dock
step_h = 2.4;

module quay() {
  difference() {
    translate([-side / 2, -side / 2, 0]) cube([side, side, height]);
    // The basin, wider with every altar; it opens towards -Y.
    for (i = [0:3])
      translate([-side / 2 + wall + (3 - i) * step_w, -side / 2 - eps, floor_z + i * step_h])
        cube([side - 2 * (wall + (3 - i) * step_w), side - wall - (3 - i) * step_w, height]);
    // Vertical notches: a corner in, a corner out, then a flat run.
    translate([-side / 2 - eps, 12, -eps]) cube([1, 3, height + 1]);
    translate([side / 2 - 1 + eps, -15, -eps]) cube([1, 3, height + 1]);
    translate([12, side / 2 - 1 + eps, -eps]) cube([3, 1, height + 1]);
    // Drains through the quay floor.
    for (x = [-4, 4], y = [-13, 13]) translate([x, y, -eps]) cylinder(d = 1.8, h = floor_z + 1);
  }
}

module outline(length, beam) {
  // Plan view of a hull: bow towards -Y, transom towards +Y.
  polygon([
    [0, -length / 2], [beam * 0.22, -length * 0.40], [beam * 0.38, -length * 0.28], [beam * 0.48, -length * 0.10],
    [beam * 0.5, length * 0.12], [beam * 0.46, length * 0.34], [beam * 0.36, length * 0.5],
    [-beam * 0.36, length * 0.5], [-beam * 0.46, length * 0.34], [-beam * 0.5, length * 0.12],
    [-beam * 0.48, -length * 0.10], [-beam * 0.38, -length * 0.28], [-beam * 0.22, -length * 0.40]
  ]);
}

module ship() {
  difference() {
    union() {
      hull() {
        translate([0, 0.6, 3]) linear_extrude(0.1) outline(22, 4.6);
        translate([0, 0, 7]) linear_extrude(0.1) outline(26, 10);
      }
      translate([0, 0, 7]) linear_extrude(2.4) outline(26, 10);
    }
    // Deck behind the bulwark.
    translate([0, 0, 8.2]) linear_extrude(3) offset(delta = -1.0) outline(26, 10);
  }
  // Keel blocks.
  for (y = [-6, 0, 6]) translate([-2, y - 1, floor_z - eps]) cube([4, 2, 2.2]);
  // Wheelhouse, funnel, mast, hatch.
  translate([-2.4, 3, 8]) cube([4.8, 5.4, 3.4]);
  translate([-1.8, 3.6, 11]) cube([3.6, 3.2, 1.8]);
  translate([0, 8.4, 8]) cylinder(d = 3, h = 6);
  translate([-1.8, -4.4, 8]) cube([3.6, 5, 1.2]);
  translate([0, -7, 8]) cylinder(d = 1.8, h = 4);
}

module gate() {
  // The caisson stands in its groove just inside the mouth of the dock.
  translate([-side / 2 + wall - 0.4, -side / 2 + 1.4, floor_z - eps]) cube([side - 2 * wall + 0.8, 1.3, 7.8]);
}

module posts() {
  for (y = [-14:7:14], x = [-side / 2 + 2.4, side / 2 - 2.4])
    translate([x, y, height - eps]) cylinder(d = 2, h = 1.6);
  for (x = [-9, 0, 9]) translate([x, side / 2 - 2.4, height - eps]) cylinder(d = 2, h = 1.6);
}

module name() {
  // Raised 0.6 mm from the left wall, so that the slicer draws letters in every layer it spans.
  translate([-side / 2 + eps, -3, 3.2]) rotate([90, 0, -90]) linear_extrude(0.6)
    text("DRYDOCK", size = 4.4, font = "DejaVu Sans:style=Bold", halign = "center", spacing = 0.98);
  translate([side / 2 - eps, 3, 3.2]) rotate([90, 0, 90]) linear_extrude(0.6)
    text("X", size = 5, font = "DejaVu Sans:style=Bold", halign = "center");
  translate([-4, side / 2 - eps, 3.2]) rotate([90, 0, 180]) linear_extrude(0.6)
    text("Y", size = 5, font = "DejaVu Sans:style=Bold", halign = "center");
}

union() {
  quay();
  ship();
  gate();
  posts();
  name();
}
