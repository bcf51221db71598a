package sbom

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

func TestSPDXDocumentOfAnIncompleteAnalysisSaysSo(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	subject := Subject{ImageDigest: "sha256:" + strings.Repeat("a", 64), ToolVersion: "1"}
	img := &image.Image{}
	for _, gap := range []string{"/var/lib/rpm/Packages", "/a\nPackageName: forged</text>"} {
		img.Incomplete = append(img.Incomplete, catalog.Incompleteness{Path: gap, Reason: catalog.ReasonUnreadable, Detail: "page 3"})
	}
	var json, tags bytes.Buffer
	if err := SPDX(&json, subject, img, noon); err != nil {
		t.Fatal(err)
	}
	if err := SPDXTagValue(&tags, subject, img, noon); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"json": json.String(), "tag-value": tags.String()} {
		for _, want := range []string{"The analysis is incomplete: 2 of", "not read completely (unreadable): /var/lib/rpm/Packages: page 3"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", name, want, text)
			}
		}
		if _, err := Decode([]byte(text), DefaultLimits); err != nil {
			t.Errorf("%s cannot be read back: %v", name, err)
		}
	}
	if strings.Contains(tags.String(), "\nPackageName: forged") {
		t.Errorf("a path has become a line of its own:\n%s", tags.String())
	}
	json.Reset()
	if err := SPDX(&json, subject, &image.Image{}, noon); err != nil || strings.Contains(json.String(), "incomplete") {
		t.Errorf("complete analysis (%v): %s", err, json.String())
	}
}
