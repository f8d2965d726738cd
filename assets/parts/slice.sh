#!/usr/bin/env bash
# Remakes the STL files and every slice in this folder. Needs (Debian): openscad prusa-slicer fonts-dejavu-core,
# and for the thumbnails xvfb and imagemagick. The slices in the repository were made with the versions that
# README.md names; another slicer version gives other, equally good G-code, and other fingerprints.
set -euo pipefail
cd "$(dirname "$0")"

model() { openscad -q -o "$1.stl" --export-format binstl "$1.scad"; }

# slice PART PROFILE CENTRE
slice() {
  local out="$1.$2.gcode"
  prusa-slicer --export-gcode --load "$2.ini" --center "$3" -o "$out" "$1.stl" >/dev/null
  # The date would make every remake a change.
  sed -i -E '1s/ on [0-9-]+ at [0-9:]+ UTC//' "$out"
  # PrusaSlicer draws no thumbnail without a display; OpenSCAD's render serves, in the form that slicers use.
  if command -v xvfb-run >/dev/null && command -v convert >/dev/null; then thumbnail "$1" "$out"; fi
  grep -E '^; estimated printing time \(normal mode\)' "$out" | sed "s|^;|$out:|"
}

thumbnail() {
  local png data
  png=$(mktemp --suffix=.png)
  xvfb-run -a -s '-screen 0 1024x768x24' openscad -q "$1.scad" -o "$png" --imgsize=600,600 --projection=o \
    --autocenter --viewall --camera=0,0,0,55,0,300,140 --render >/dev/null 2>&1
  convert "$png" -fuzz 6% -trim +repage -transparent '#ffffe5' -resize 160x160 -strip -colors 48 "$png"
  data=$(base64 -w 78 "$png")
  {
    head -n 2 "$2"
    printf '; thumbnail begin %s %s\n' "$(identify -format '%wx%h' "$png")" "$(base64 -w 0 "$png" | wc -c)"
    sed 's/^/; /' <<<"$data"
    printf '; thumbnail end\n;\n'
    tail -n +3 "$2"
  } >"$2.tmp"
  mv "$2.tmp" "$2"
  rm -f "$png"
}

for part in drydock cube token; do model "$part"; done
slice drydock corexy-250 125,125
slice token corexy-250 125,125
slice cube ender3-220 110,110
slice token delta-180 0,0
