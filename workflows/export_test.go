package workflows

// OffsetOf is offsetOf for tests.
var OffsetOf = offsetOf
