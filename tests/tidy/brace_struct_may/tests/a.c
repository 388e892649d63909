typedef struct ALIGNED(8) s {
    int a;
} s;
struct t PACKED(1) {
    int b;
};
enum e { A, B };
