struct s {
    int a;
};
static const int t[] = {1, 2};
static int (*hook)(int) = 0;
#define M(a) \
    static void a(void) \
    { \
    }
static void f(void)
{
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
    g();
}
