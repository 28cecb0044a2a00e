"""WHY: the definitions, the condition language, rendering, local time and keys; pure, with no I/O and no clock."""
