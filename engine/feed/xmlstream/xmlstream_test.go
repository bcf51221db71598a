package xmlstream_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"plimsoll/engine/feed/xmlstream"
)

// read walks through a document: it decodes what is called item, enters what is called group, and skips the rest.
func read(r *xmlstream.Reader) (string, error) {
	var out strings.Builder
	var visit func(start xml.StartElement) error
	visit = func(start xml.StartElement) error {
		switch start.Name.Local {
		case "item":
			var v struct {
				ID   string `xml:"id,attr"`
				Text string `xml:"text"`
			}
			if err := r.Decode(start, &v); err != nil {
				return err
			}
			fmt.Fprintf(&out, "%s=%s ", v.ID, v.Text)
			return nil
		case "group":
			fmt.Fprintf(&out, "%s( ", xmlstream.Attribute(start, "id"))
			if err := r.Children(visit); err != nil {
				return err
			}
			out.WriteString(") ")
			return nil
		}
		return r.Skip()
	}
	if _, err := r.Root(); err != nil {
		return "", err
	}
	err := r.Children(visit)
	if err == nil {
		err = r.End()
	}
	return strings.TrimSpace(out.String()), err
}

func TestElementsAreReadEnteredAndSkipped(t *testing.T) {
	t.Parallel()
	const doc = `<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE x [<!ENTITY e "evil">]><!-- c -->
<a:root xmlns:a="urn:x"><other><item id="0"/></other><a:group id="g"><a:item id="1"><a:text>a &amp; b</a:text></a:item></a:group><item id="2"/></a:root>
<!-- end -->`
	got, err := read(xmlstream.New(strings.NewReader(doc), 1000))
	if want := "g( 1=a & b ) 2="; got != want || err != nil {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestDamageAndExcessAreToldApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		doc  string
		want error
	}{
		"nothing":              {"", xmlstream.ErrSyntax},
		"text":                 {"busy", xmlstream.ErrSyntax},
		"cut short":            {"<root><item><text>x", xmlstream.ErrSyntax},
		"cut between elements": {"<root><item/>", xmlstream.ErrSyntax},
		"cut in what is left":  {"<root><other><x/>", xmlstream.ErrSyntax},
		"crossing elements":    {"<root><group></root></group>", xmlstream.ErrSyntax},
		"declared entity":      {`<!DOCTYPE root [<!ENTITY e "x">]><root><item><text>&e;</text></item></root>`, xmlstream.ErrSyntax},
		"foreign encoding":     {`<?xml version="1.0" encoding="EBCDIC"?><root/>`, xmlstream.ErrSyntax},
		"more after the end":   {"<root/><root/>", xmlstream.ErrSyntax},
		"text after the end":   {"<root/>x", xmlstream.ErrSyntax},
		"large text":           {"<root><item><text>" + strings.Repeat("x", 2000) + "</text></item></root>", xmlstream.ErrTooLarge},
		"large attribute":      {`<root><other a="` + strings.Repeat("x", 2000) + `"/></root>`, xmlstream.ErrTooLarge},
		"large comment":        {"<root><!--" + strings.Repeat("x", 2000) + "--></root>", xmlstream.ErrTooLarge},
		"large element":        {"<root><item>" + strings.Repeat("<x/>", 500) + "</item></root>", xmlstream.ErrTooLarge},
		"deep":                 {"<root><item>" + strings.Repeat("<x>", 250), xmlstream.ErrTooLarge},
		"deep in what is left": {"<root><other>" + strings.Repeat("<x>", 250), xmlstream.ErrTooLarge},
	} {
		if got, err := read(xmlstream.New(strings.NewReader(c.doc), 1000)); !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestDocumentsOfAnySizePassAsLongAsTheirElementsAreSmall(t *testing.T) {
	t.Parallel()
	doc := "<root><other>" + strings.Repeat("<x>some text</x>", 10_000) + "</other>" + strings.Repeat(`<item id="1"/>`, 10_000) + "</root>"
	got, err := read(xmlstream.New(strings.NewReader(doc), 1000))
	if n := strings.Count(got, "1="); n != 10_000 || err != nil {
		t.Errorf("%d elements, %v", n, err)
	}
}

var errBelow = errors.New("below")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBelow }

func TestErrorsOfTheReaderBelowAreKept(t *testing.T) {
	t.Parallel()
	in := io.MultiReader(strings.NewReader("<root><item/>"), failing{})
	if got, err := read(xmlstream.New(in, 1000)); !errors.Is(err, errBelow) || errors.Is(err, xmlstream.ErrSyntax) {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"", "<root/>", "<root><item id='1'><text>a&lt;</text></item><group><x/></group></root>", "<root><![CDATA[x]]></root>", "<!DOCTYPE a><root>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		if _, err := read(xmlstream.New(strings.NewReader(doc), 1<<16)); err != nil && !errors.Is(err, xmlstream.ErrSyntax) && !errors.Is(err, xmlstream.ErrTooLarge) {
			t.Error(err)
		}
	})
}
