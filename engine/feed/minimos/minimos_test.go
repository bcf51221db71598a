package minimos

import (
	"testing"

	"plimsoll/engine/feed/feedtest/golden"
)

func TestFixesBecomeAdvisories(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}
