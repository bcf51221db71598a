package persistence

// What tests outside record as whatever changes a state would.
type Happening = happening

var Emit = emit
