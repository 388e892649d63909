static void f(void)
{
    g(1,
      2);
   g();
    if (a) {
      g();
    }
}
