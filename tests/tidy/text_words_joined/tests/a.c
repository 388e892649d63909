/* TO@@DO this */
int a; /* FIX@@ME */
/* XX@@X */
/* HA@@CK HACKS TODOS XXXX */
