#define NOW() \
    time(0)
