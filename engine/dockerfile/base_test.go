package dockerfile

import (
	"strings"
	"testing"
	"time"
)

func TestBase(t *testing.T) {
	t.Parallel()
	label := `{"config":{"Labels":{"org.opencontainers.image.base.name":"label:1"}}}`
	note := `{"annotations":{"org.opencontainers.image.base.name":"note:1"}}`
	for name, tt := range map[string]struct{ manifest, config, want string }{
		"annotation":       {note, `{}`, "note:1"},
		"label":            {`{}`, label, "label:1"},
		"annotation first": {note, label, "note:1"},
		"neither":          {`{}`, `{}`, ""},
		"no labels at all": {`{"annotations":null}`, `{"config":null}`, ""},
		"not text":         {`{"annotations":{"org.opencontainers.image.base.name":7}}`, label, "label:1"},
		"not readable":     {`[`, ``, ""},
	} {
		if got := Base([]byte(tt.manifest), []byte(tt.config)); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// A history is as long as its author likes; guessing takes time linear in it.
func TestGuessOfHugeHistories(t *testing.T) {
	t.Parallel()
	const size = MaxBytes
	for _, text := range []string{"|1 " + strings.Repeat("a ", size/2), "|1 " + strings.Repeat("/sh ", size/4), strings.Repeat("/a", size/2), "CMD [" + strings.Repeat(`"a" `, size/4), "RUN " + strings.Repeat("--a ", size/4)} {
		begun := time.Now()
		Guess([]string{text}, "")
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("%.20q… takes %s", text, took)
		}
	}
}
