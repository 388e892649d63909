static void f(void) {
    g();
}
