static const char *a = __DATE__;
static const char *b = "__DATE__" __TIME__;
