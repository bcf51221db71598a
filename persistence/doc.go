// Package persistence is the system of record on PostgreSQL: one store per aggregate, with methods shaped like
// the use cases that call them.
//
// What an account sees are its own rows (images, tags, policies, evaluations, registries); each query on them
// filters by account, besides the authorisation made before. What is inside an image (layers, analyses, the
// package dictionary, matches) is content-addressed and shared.
//
// Invariants:
//   - every statement is declared with query or command, so that a test prepares each one on a migrated database;
//   - statements are set-based, and bulk data goes through COPY into a temporary table;
//   - a row and the workflow that serves it appear together: the outbox row is part of the transaction;
//   - a commit of an analysis is fenced by (request, run), so that a late duplicate changes nothing;
//   - rows are locked in ascending key order wherever more than one is locked.
//
// Locks, outermost first: rescan (exclusive, one rescan at a time), feed (shared while an analysis is matched,
// exclusive while a feed change is committed), then rows.
package persistence
