/* What the layer knows of descriptors. */
#ifndef WATCH_H
#define WATCH_H

/* The library watches it for edges. */
int layer_is_watched(int fd);
/* A regular file. */
int layer_is_file(int fd);

/* Whoever watches it is told again what it is ready for: the edge of what came just now. */
void layer_raise(int fd);

/* Ends the connection for both sides, as a reset does, so that nothing that was said of it is wrong afterwards:
   this side reads its end and cannot write. */
void layer_kill(int fd);
int layer_is_dead(int fd);
#endif
