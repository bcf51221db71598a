// Package workflows defines every durable step of Plimsoll: the workflows, their inputs and results, and the
// typed handles of the activities they call.
//
// Invariants: definitions are deterministic; payloads hold ids, digests and counts only (a test bounds their
// size); workflow ids are deterministic, so starting twice is starting once; each change of behaviour brings
// a recorded history for the replay test.
package workflows
