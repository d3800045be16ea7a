/* What the load generator can do; each prints its JSON object. */
#ifndef MODES_H
#define MODES_H
void run_echo(void);
void run_handshake(void);
void run_idle(void);
void run_broadcast(void);
void run_steady(void);
void run_storm(void);

/* Warms up, measures and prints. `step` is called before each turn; NULL for nothing. `count` is the number that
   grows with what is measured. */
void run_measured(const char *mode, const unsigned long long *count, void (*step)(void));
#endif
