// Package worker runs the durable side of Plimsoll: one Temporal worker per task queue with the workflows and
// activities of that queue, the dispatcher that starts what outbox rows ask for, the schedule of feed syncs
// and the sign of life among the services.
//
// A process serves the queues it is told to; any number of processes may serve the same. New has no side
// effects, Run brings everything up, waits and stops it gently: activities get StopTimeout to end, what is not
// done by then is taken over by another worker as soon as its heartbeat is missed.
package worker
