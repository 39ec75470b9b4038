"""How good a filled video is: functions of single frames or pairs, and a meter that adds them up frame by frame."""
