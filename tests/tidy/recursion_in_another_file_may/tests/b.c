static int g(int a)
{
    return f(a);
}
