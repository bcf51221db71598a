// Package client is the Go client of the Plimsoll API, generated from the OpenAPI document.
//
// It stands alone: it imports nothing of the server, so a command line tool built on it carries no database, workflow or
// authorisation code. Every call has a ...WithResponse form that decodes the answer; Failure turns an answer other than
// success into an error.
package client
