package suse

import (
	"errors"
	"testing"

	"plimsoll/engine/feed"
	"plimsoll/engine/feed/feedtest"
	"plimsoll/engine/feed/feedtest/golden"
	"plimsoll/engine/feed/oval"
)

func TestDefinitionsBecomeRecords(t *testing.T) {
	t.Parallel()
	golden.Run(t, Driver)
}

func TestADocumentThatIsSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"nothing":                 ``,
		"web page":                `<html>busy</html>`,
		"JSON":                    `{}`,
		"cut short":               `<oval_definitions><definitions><definition id="x">`,
		"other entities":          `<oval_definitions><definitions>&nbsp;</definitions></oval_definitions>`,
		"without definitions":     `<oval_definitions><definitions/></oval_definitions>`,
		"without anything of use": `<oval_definitions><definitions><definition id="x"/></definitions></oval_definitions>`,
		"more after the end":      `<oval_definitions><definitions/></oval_definitions><x/>`,
	} {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "suse.linux.enterprise.server.15"}, Documents: []feed.Fetched{feedtest.Doc("oval", []byte(content))}}
		if err := Driver.Parse(t.Context(), in, &s); !errors.Is(err, oval.ErrDocument) || len(s.Records) > 0 {
			t.Errorf("%s: %v with %d records", name, err, len(s.Records))
		}
	}
	if err := Driver.Parse(t.Context(), feed.Input{}, &feedtest.Sink{}); !errors.Is(err, oval.ErrDocument) {
		t.Errorf("without a document: %v", err)
	}
}

func TestTheBestDocumentOfTheListingIsTaken(t *testing.T) {
	t.Parallel()
	const listing = `<a href="../">../</a> <a href="opensuse.leap.15.5.xml.gz">x</a> <a href="opensuse.leap.15.5-patch.xml.gz">x</a>
<a href="suse.linux.enterprise.16-affected.xml.bz2">x</a><a href="suse.linux.enterprise.16.xml.gz">x</a><a href="suse.linux.enterprise.16.0-affected.xml.gz">x</a>`
	get := feedtest.Listings(map[string]string{"ftp.suse.com/pub/projects/security/oval/": listing})
	for name, want := range map[string]string{
		"opensuse.leap.15.5": "opensuse.leap.15.5.xml.gz", "suse.linux.enterprise.16": "suse.linux.enterprise.16-affected.xml.bz2", "opensuse.tumbleweed": "",
	} {
		g := Driver.Groups(feed.Settings{Releases: []string{name}})[0]
		p, err := Driver.Plan(t.Context(), feed.Request{Group: g}, get)
		if want == "" {
			if !errors.Is(err, ErrRelease) {
				t.Errorf("%s, which is not there: %+v, %v", name, p, err)
			}
			continue
		}
		if err != nil || len(p.Documents) != 1 || p.Documents[0].Path != "pub/projects/security/oval/"+want {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if _, err := Driver.Plan(t.Context(), feed.Request{Group: g}, feedtest.Listings(nil)); err == nil {
			t.Error("a listing that cannot be had is no error")
		}
	}
}

func TestProductsAreToldByTheirNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]product{
		"SUSE Linux Enterprise Server 15":                          {namespace: "sles:15"},
		"SUSE Linux Enterprise Server 15 SP5":                      {namespace: "sles:15.5"},
		"SUSE Linux Enterprise Server 16.0":                        {namespace: "sles:16.0"},
		"SUSE Linux Enterprise Server 12 SP2-BCL":                  {namespace: "sles:12.2", aside: true},
		"SUSE Linux Enterprise Server 15-LTSS":                     {namespace: "sles:15", aside: true},
		"SUSE Linux Enterprise Server for SAP Applications 15 SP4": {namespace: "sles:15.4", aside: true},
		"SUSE Linux Enterprise Module for Basesystem 15 SP4":       {namespace: "sles:15.4"},
		"SUSE Linux Enterprise Software Development Kit 12 SP5":    {namespace: "sles:12.5"},
		"SUSE Linux Enterprise Micro 5.5":                          {namespace: "sle-micro:5.5"},
		"SUSE Linux Micro 6.0":                                     {namespace: "sl-micro:6.0"},
		"openSUSE Leap 15.6":                                       {namespace: "opensuse-leap:15.6"},
		"openSUSE Leap Micro 5.5":                                  {namespace: "opensuse-leap-micro:5.5"},
		"openSUSE Tumbleweed":                                      {namespace: "opensuse-tumbleweed"},
		"SUSE Manager Server 4.3":                                  {},
		"SUSE Enterprise Storage 7.1":                              {},
		"openSUSE 13.2":                                            {},
		"krb5-1.15.2-4.25":                                         {},
	} {
		got, ok := products(name)
		if got != want || ok != (want.namespace != "") {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range golden.Seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var s feedtest.Sink
		in := feed.Input{Group: feed.Group{Name: "suse.linux.enterprise.server.15"}, Documents: []feed.Fetched{feedtest.Doc("oval", content)}}
		if Driver.Parse(t.Context(), in, &s) == nil {
			golden.Storable(t, &s, Name)
		}
	})
}
