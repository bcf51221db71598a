package worker

// EnsureSchedule is ensureSchedule for tests.
var EnsureSchedule = ensureSchedule
