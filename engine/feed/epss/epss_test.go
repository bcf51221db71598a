package epss

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
)

func read(t *testing.T, path, content string) (*feedtest.Sink, error) {
	var s feedtest.Sink
	doc := feedtest.Doc(document, []byte(content))
	doc.Path = path
	return &s, Driver.Parse(t.Context(), feed.Input{Documents: []feed.Fetched{doc}}, &s)
}

func lines(s *feedtest.Sink) string {
	var out []string
	for _, v := range s.Scores {
		out = append(out, fmt.Sprint(v.ID, " ", v.Probability, " ", v.Percentile, " ", v.Date.Format(time.DateOnly)))
	}
	return strings.Join(out, "\n")
}

func TestEveryFormOfTheFileIsRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, content, want string }{
		"today's": {
			current, "#model_version:v2025.03.14,score_date:2026-08-16T00:00:00+0000\ncve,epss,percentile\nCVE-1999-1593,0.18126,0.96946\r\n\nCVE-1999-1592,1.0e-05,0\n",
			"CVE-1999-1593 0.18126 0.96946 2026-08-16\nCVE-1999-1592 1e-05 0 2026-08-16",
		},
		"the comment's date goes before the name's": {
			"epss_scores-2026-08-17.csv.gz", "#model_version:x,score_date:2026-08-16T00:00:00Z\ncve,epss,percentile\nCVE-1999-1593,0.1,0.2", "CVE-1999-1593 0.1 0.2 2026-08-16",
		},
		"late 2021":  {"epss_scores-2021-09-01.csv.gz", "cve,epss,percentile\nCVE-2020-5902,0.65117,0.9981063485700858\n", "CVE-2020-5902 0.65117 0.9981063485700858 2021-09-01"},
		"early 2021": {"epss_scores-2021-04-14.csv.gz", "cve,epss\nCVE-2020-5902,0.65117\n", "CVE-2020-5902 0.65117 0 2021-04-14"},
	} {
		got, err := read(t, c.path, c.content)
		if diff := cmp.Diff(c.want, lines(got)); diff != "" || err != nil || got.Skipped != nil {
			t.Errorf("%s: %v, skipped %q; scores (-want +got):\n%s", name, err, got.Skipped, diff)
		}
	}
}

func TestLinesThatAreNoScoreAreSkipped(t *testing.T) {
	t.Parallel()
	got, err := read(t, "epss_scores-2026-01-01.csv", "cve,epss,percentile\nCVE-2024-0001,0.1,0.2\n"+
		"CVE-2024-0002,0.1\nCVE-2024-0003,2,0.2\nCVE-2024-0004,0.1,-1\nCVE-2024-0005,NaN,0.5\nno CVE,0.1,0.2\nCVE-2024-0006,,\nCVE-2024-0007,0.1,0.2,0.3\n")
	if err != nil || len(got.Scores) != 1 || len(got.Skipped) != 7 {
		t.Errorf("%v; scores %v, skipped %q; want one, seven", err, got.Scores, got.Skipped)
	}
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	var half bytes.Buffer
	w := gzip.NewWriter(&half)
	if _, err := w.Write(bytes.Repeat([]byte("CVE-2024-0001,0.1,0.2\n"), 1000)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"nothing": "", "web page": "<html>busy</html>", "other columns": "#x,score_date:2026-01-01\ninvalid,header,format\nCVE-2024-6775,0.00043,0.09291\n",
		"no date": "#model_version:v2023.03.01\ncve,epss,percentile\nCVE-1999-0001,0.00383,0.73075\n", "bad date": "#score_date:yesterday\ncve,epss,percentile\nCVE-1999-0001,0.1,0.2\n",
		"no score": "#score_date:2026-01-01\ncve,epss,percentile\n", "comment only": "#score_date:2026-01-01\n",
		"endless line": "#score_date:2026-01-01\ncve,epss,percentile\nCVE-1999-0001,0.1," + strings.Repeat("0", 5000) + "\n",
		"half a gzip":  half.String()[:half.Len()/2], "half of the lines": half.String(),
	} {
		if got, err := read(t, current, content); !errors.Is(err, ErrDocument) {
			t.Errorf("%s: %v with %d scores", name, err, len(got.Scores))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func TestTheFileCanBeChosen(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"": current, "epss_scores-2026-08-16.csv.gz": "epss_scores-2026-08-16.csv.gz", "../x": "", "scores.csv": ""} {
		var s feed.Settings
		if file != "" {
			s.Extra = []string{file}
		}
		p, err := Driver.Plan(t.Context(), feed.Request{Group: Driver.Groups(s)[0], Settings: s}, feedtest.Listings(nil))
		switch {
		case want == "" && !errors.Is(err, ErrFile):
			t.Errorf("%q: %v; want ErrFile", file, err)
		case want != "" && (err != nil || p.Documents[0].Path != want || p.Documents[0].Host != host):
			t.Errorf("%q: %+v, %v", file, p, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("#model_version:v2025.03.14,score_date:2026-08-16T00:00:00+0000\ncve,epss,percentile\nCVE-1999-1593,0.18126,0.96946\n"))
	f.Add([]byte("cve,epss\nCVE-1999-1593,0.18126\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := read(t, "epss_scores-2021-04-14.csv.gz", string(content))
		if err == nil && len(got.Scores) == 0 {
			t.Fatal("no score and no error")
		}
		for _, s := range got.Scores {
			if !(s.Probability >= 0 && s.Probability <= 1 && s.Percentile >= 0 && s.Percentile <= 1) || s.Date.IsZero() {
				t.Fatalf("score %+v", s)
			}
		}
	})
}
