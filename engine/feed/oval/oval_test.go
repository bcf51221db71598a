package oval_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/oval"
)

const document = `<?xml version="1.0"?>
<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5" xmlns:linux-def="http://oval.mitre.org/XMLSchema/oval-definitions-5#linux">
<generator><x/></generator>
<definitions>
<definition id="one" class="vulnerability" version="2">
<metadata><title>CVE-2020-0001</title><description>words</description>
<reference source="CVE" ref_id="CVE-2020-0001" ref_url="https://x"/>
<advisory><severity>Low</severity><issued date="2020-01-02"/><cve cvss3="7.5/CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H" cvss2="x" public="20200101"> CVE-2020-0001 </cve></advisory>
</metadata>
<criteria operator="AND">
<criterion test_ref="release" comment="the release is there"/>
<criteria operator="OR"><criterion test_ref="older" comment="zlib is older"/><criterion test_ref="gone" comment="a test is missing"/><criterion test_ref="text" comment="a test of another kind"/></criteria>
</criteria>
</definition>
</definitions>
<tests>
<linux-def:rpminfo_test id="release"><linux-def:object object_ref="o1"/></linux-def:rpminfo_test>
<linux-def:rpminfo_test id="older"><linux-def:object object_ref="o2"/><linux-def:state state_ref="s1"/><linux-def:state state_ref="s2"/></linux-def:rpminfo_test>
<textfilecontent54_test id="text"><object object_ref="o2"/></textfilecontent54_test>
</tests>
<objects><linux-def:rpminfo_object id="o1"><linux-def:name>release</linux-def:name></linux-def:rpminfo_object><linux-def:rpminfo_object id="o2"><linux-def:name> zlib </linux-def:name></linux-def:rpminfo_object></objects>
<states><linux-def:rpminfo_state id="s1"><linux-def:arch>x86_64</linux-def:arch></linux-def:rpminfo_state><linux-def:rpminfo_state id="s2"><linux-def:evr datatype="evr_string" operation="less than">0:1.2-3</linux-def:evr></linux-def:rpminfo_state></states>
</oval_definitions>`

func TestDefinitionsComeWithTheTestsTheyReferTo(t *testing.T) {
	t.Parallel()
	var got []oval.Definition
	err := oval.Read(t.Context(), feedtest.Doc("d", []byte(document)), func(d *oval.Definition) error {
		got = append(got, *d)
		return nil
	})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d definitions, %v", len(got), err)
	}
	d := got[0]
	if d.ID != "one" || d.Class != "vulnerability" || d.Version != "2" || d.Title != "CVE-2020-0001" || d.Description != "words" ||
		d.References[0].ID != "CVE-2020-0001" || d.Advisory.Severity != "Low" || d.Advisory.Issued.Date != "2020-01-02" {
		t.Errorf("definition %+v", d)
	}
	if s := oval.Scores(d.Advisory.CVEs[0], "somebody"); len(s) != 1 || *s[0].Base != 7.5 || s[0].By != "somebody" {
		t.Errorf("scores %+v", s)
	}
	want := []*oval.Test{
		{Package: "zlib", Conditions: []oval.Condition{{Field: "arch", Operation: "equals", Value: "x86_64"}, {Field: "evr", Operation: "less than", Value: "0:1.2-3"}}},
		nil, nil,
	}
	var tests []*oval.Test
	for _, c := range d.Criteria.Criteria[0].Criterion {
		tests = append(tests, c.Test)
	}
	if diff := cmp.Diff(want, tests); diff != "" {
		t.Errorf("tests differ (-want +got):\n%s", diff)
	}
	if release := d.Criteria.Criterion[0].Test; release == nil || release.Package != "release" || len(release.Conditions) != 0 {
		t.Errorf("test without a state: %+v", release)
	}
}

func TestErrorsOfTheVisitorEndTheReading(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	if err := oval.Read(t.Context(), feedtest.Doc("d", []byte(document)), func(*oval.Definition) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := oval.Read(ctx, feedtest.Doc("d", []byte(document)), func(*oval.Definition) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// leaf is a criterion that means a term, or what its name says.
func leaf(name string) oval.Criterion { return oval.Criterion{Comment: name} }

func and(leaves ...string) oval.Criteria { return criteria("AND", leaves) }
func or(leaves ...string) oval.Criteria  { return criteria("OR", leaves) }

func criteria(operator string, leaves []string) oval.Criteria {
	c := oval.Criteria{Operator: operator}
	for _, l := range leaves {
		c.Criterion = append(c.Criterion, leaf(l))
	}
	return c
}

func with(c oval.Criteria, inner ...oval.Criteria) oval.Criteria {
	c.Criteria = append(c.Criteria, inner...)
	return c
}

func meaning(c oval.Criterion) (string, oval.Meaning, error) {
	switch c.Comment {
	case "always":
		return "", oval.Always, nil
	case "never":
		return "", oval.Never, nil
	}
	return c.Comment, oval.Term, nil
}

func TestCriteriaAreTheWaysTheyCanBeMet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		criteria oval.Criteria
		want     string
	}{
		"one":                      {and("a"), "a"},
		"all":                      {and("a", "b"), "a+b"},
		"any":                      {or("a", "b"), "a, b"},
		"nothing":                  {oval.Criteria{}, ""},
		"products and packages":    {with(oval.Criteria{}, or("p", "q"), or("x", "y")), "p+x, p+y, q+x, q+y"},
		"an operator left out":     {with(criteria("", []string{"a"}), or("b", "c")), "a+b, a+c"},
		"what is always true":      {with(and("a", "always"), or("b", "always")), "a+b, a"},
		"what is never true":       {with(or("a"), and("b", "never"), and("c")), "a, c"},
		"nothing left":             {with(and("a", "never"), or("b", "c")), ""},
		"operators in lower case":  {with(criteria("or", []string{"a"}), criteria("and", []string{"b", "c"})), "a, b+c"},
		"a way does not leak over": {with(and("a"), or("b", "c"), or("d", "e")), "a+b+d, a+b+e, a+c+d, a+c+e"},
	} {
		ways, err := oval.Alternatives(c.criteria, meaning)
		var got []string
		for _, way := range ways {
			got = append(got, strings.Join(way, "+"))
		}
		if strings.Join(got, ", ") != c.want || err != nil {
			t.Errorf("%s: %v, %v; want %s", name, got, err, c.want)
		}
	}
}

func TestUnusualCriteriaAreRefused(t *testing.T) {
	t.Parallel()
	many := oval.Criteria{Operator: "AND"}
	for i := range 20 {
		many.Criteria = append(many.Criteria, or(fmt.Sprint("a", i), fmt.Sprint("b", i)))
	}
	long := with(oval.Criteria{}, or(slices.Repeat([]string{"a"}, 300)...), or(slices.Repeat([]string{"b"}, 300)...))
	for range 1000 {
		long.Criteria = append(long.Criteria, and("c"))
	}
	for name, c := range map[string]oval.Criteria{
		"negated": {Negate: "true"}, "an operator of its own": {Operator: "XOR"},
		"a negated criterion": {Criterion: []oval.Criterion{{Comment: "a", Negate: "true"}}},
		"too many ways":       many,
		"ways too long":       long,
		"inside":              with(and("a"), oval.Criteria{Operator: "ONE"}),
	} {
		if ways, err := oval.Alternatives(c, meaning); !errors.Is(err, oval.ErrCriteria) {
			t.Errorf("%s: %d ways, %v", name, len(ways), err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(document))
	f.Add([]byte("<oval_definitions><definitions><definition/></definitions></oval_definitions>"))
	f.Fuzz(func(t *testing.T, content []byte) {
		err := oval.Read(t.Context(), feedtest.Doc("d", content), func(d *oval.Definition) error {
			_, err := oval.Alternatives(d.Criteria, meaning)
			if err != nil && !errors.Is(err, oval.ErrCriteria) {
				t.Error(err)
			}
			return nil
		})
		_ = err // of whatever the bytes are; that it ends is what counts
	})
}
