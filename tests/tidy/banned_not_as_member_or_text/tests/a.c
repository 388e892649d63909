static void f(void)
{
    clock->time(0);
    api.system(1);
    g("gets(a)"); /* atoi(a) */
    uptime(0);
    int time = 3; // rand()
    g('"', "\"", rand, '\''); /* " */
}
