// Package activities implements the steps that package workflows names: everything workers do with registries,
// feeds, the engine and the stores.
//
// Every activity is idempotent by a natural key (layer digest and analyzer set, image digest and analyzer set,
// feed group and content, generation) and may run twice at the same time; what must happen once is decided by
// the stores. Those that take long report progress and thereby learn that they are cancelled.
//
// Errors leave through one table (errors.go): it decides which code a client sees and whether Temporal tries
// again. What is not in the table is an internal error, tried again and shown to nobody.
package activities
