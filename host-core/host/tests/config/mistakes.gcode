PRINT_START BED=60 ;! the slicer calls a macro that is not there -> program-command-unknown
G90
M83
G1 X10 Y10 F3000
G1 X500 ;! a move out of range -> program-out-of-range
G1 E300 F300 ;! an extrusion that is too long -> program-extrude-long
G1 X10 Y10
G1 X12 E50 ;! an extrusion that is too thick -> program-extrude-thick
