// Package standalone runs the servers that Plimsoll leans on, so that one
// command works on a laptop with nothing configured: a private PostgreSQL
// cluster, the Temporal development server with its web page, and an
// in-process Redis.
//
// Each of the three gives way to a real one when its address is configured.
// Everything lives in one data directory, which is kept between runs:
//
//	lock            held with flock while a process runs on the directory
//	admin-password  first password of the administrator (0600)
//	sealing-key     key that seals stored secrets (0600)
//	postgres/       the cluster; owned by the user PostgreSQL runs as
//	postgres-password
//	temporal/       the workflow database
//	log/            output of the child processes
//
// Invariants:
//   - Two processes never share a data directory (ErrInUse).
//   - All listeners are on the loopback address; ports nobody configured are
//     free ones, so several directories run side by side.
//   - No child outlives the parent: Close ends them in order, and on Linux the
//     kernel signals them when the parent dies without having called Close.
//   - A start after any kind of death recovers; what is half-made (a cluster
//     without its final name) is made anew.
package standalone
