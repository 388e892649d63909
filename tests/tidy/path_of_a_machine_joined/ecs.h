/* x */
/* /ho@@me/me */
/* /ro@@ot/me */
/* /wo@@rk/me */
