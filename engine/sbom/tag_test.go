package sbom

import (
	"errors"
	"strings"
	"testing"
)

func TestTagsOfXMLAreBounded(t *testing.T) {
	t.Parallel()
	const head = `<bom xmlns="http://cyclonedx.org/schema/bom/1.5">`
	long := strings.Repeat(`a="" `, longestTag/5)
	for name, tt := range map[string]struct {
		document string
		refused  bool
		limit    bool
	}{
		"short":                       {head + `<components><component type="library"><name>a</name></component></components></bom>`, false, false},
		"long root":                   {`<bom xmlns="http://cyclonedx.org/schema/bom/1.5" ` + long + `></bom>`, true, true},
		"long below":                  {head + `<components><component ` + long + `/></components></bom>`, true, true},
		"long value":                  {head + `<components a="` + strings.Repeat(">", longestTag) + `"/></bom>`, true, true},
		"long text":                   {head + `<metadata>` + long + `</metadata></bom>`, false, false},
		"long comment":                {head + `<!-- <a ` + long + ` ' --></bom>`, false, false},
		"long data":                   {head + `<metadata><![CDATA[<a "` + long + `]]></metadata></bom>`, false, false},
		"long instruction":            {head + `<?a <b ' ` + long + `?></bom>`, false, false},
		"hidden behind a comment":     {head + `<!-- --><a ` + long + `/><!-- --></bom>`, true, true},
		"hidden in a declaration":     {head + `<!a <b> "<!--" ><a ` + long + `/><!-- --></bom>`, true, false},
		"definitions before the root": {`<!DOCTYPE bom [<!ENTITY a "b">]>` + head + `</bom>`, true, false},
		"a comment that does not end": {head + `<!-- ` + long, true, false},
		"a tag that ends nowhere":     {head + `<a b="`, true, false},
	} {
		_, err := Decode([]byte(tt.document), Limits{})
		if (err != nil) != tt.refused || errors.Is(err, ErrTooLarge) != tt.limit {
			t.Errorf("%s: %v", name, err)
		}
	}
}
