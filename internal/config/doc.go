// Package config loads the settings of a process into structs that the
// packages themselves own.
//
// A root struct holds one struct per section; yaml tags name the keys, doc
// tags explain them. Every setting is therefore written down once, and its
// file key (api.addr), its environment variable (PLIMSOLL_API_ADDR), its line
// in the example file and its place in `config check` all follow from that.
//
// Order of precedence, weakest first: the values the root struct holds when
// Load is called (the defaults), the YAML file, the environment, overrides
// (command-line flags). A secret can also be read from the file named by
// <VARIABLE>_FILE.
//
// Invariants: an unknown key in the file is an error, since a typing mistake
// must not silently mean "default". An unknown PLIMSOLL_ variable is only a
// warning: Kubernetes injects PLIMSOLL_API_PORT and the like for a service
// called plimsoll-api. A value of type Secret or SecretURL never appears in an
// error, in a rendering or in a log line.
package config
