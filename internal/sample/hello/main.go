// Hello is the Go program inside the sample image. It is built when the sample is, so that its build
// information is the compiler's own and not a fixture's.
package main

import (
	"fmt"

	"github.com/google/uuid"
)

func main() { fmt.Println("hello", uuid.NameSpaceDNS) }
