// Package arch holds no code, only tests that keep the shape of the system:
// which package may import which, that the command-line client stays free of
// server libraries, that the engine has no sockets, environment, clock or
// logger, and that every package says what it is for.
package arch
