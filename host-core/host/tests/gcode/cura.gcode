;FLAVOR:Marlin
;TIME:605
;Filament used: 0.2m
;Layer height: 0.2
;Generated with Cura_SteamEngine 5.6.0
T0
M190 S60
M104 S200
M109 S200
M82 ;absolute extrusion mode
G28 ;Home
G92 E0
G1 F1500 E-6.5
;LAYER_COUNT:2
;LAYER:0
M107
G0 F6000 X98.4 Y98.4 Z0.3
;TYPE:SKIRT
G1 F1500 E0
G1 F1200 X101.6 E0.10643
G1 Y101.6 E0.21286
G1 X98.4 Y98.4 E0.36337
;MESH:NONMESH
G0 F600 X98.4 Y98.4 Z0.5
;TIME_ELAPSED:60.5
G1 F1500 E-6.13663
M140 S0
M106 S0
M82 ;absolute extrusion mode
M104 S0
;End of Gcode
;SETTING_3 {"global_quality": "[general]\\nversion = 4"}
