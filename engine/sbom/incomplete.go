package sbom

import (
	"fmt"
	"strings"
	"time"

	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"plimsoll/engine/catalog"
	"plimsoll/engine/image"
)

// annotated is how many gaps a document names one by one; the rest only counts.
const annotated = 1000

// confess makes an SPDX document say what of the image could not be read, as its comment and, one by one, as
// annotations of type OTHER (SPDX 2.3 section 12).
func confess(doc *spdx.Document, img *image.Image, tool string, now time.Time) {
	n := len(img.Incomplete)
	if n == 0 {
		return
	}
	doc.DocumentComment = fmt.Sprintf("The analysis is incomplete: %d of the image's files or databases could not be read completely, so packages may be missing from this document.", n)
	for _, gap := range img.Incomplete[:min(n, annotated)] {
		doc.Annotations = append(doc.Annotations, &v2_3.Annotation{
			Annotator:                common.Annotator{AnnotatorType: "Tool", Annotator: tool},
			AnnotationDate:           now.UTC().Format(time.RFC3339),
			AnnotationType:           "OTHER",
			AnnotationSPDXIdentifier: common.MakeDocElementID("", string(spdxImage)),
			AnnotationComment:        gapText(gap),
		})
	}
}

// gapText is one line: the path comes from the image, and a line break or a closing tag would end the value in the
// tag-value form.
func gapText(gap catalog.Incompleteness) string {
	text := "not read completely (" + gap.Reason + "): " + gap.Path
	if gap.Detail != "" {
		text += ": " + gap.Detail
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return strings.ReplaceAll(text, "</text>", "")
}
