package redhat

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"plimsoll/engine/feed/csaf"
)

// place is where packages come from: a major version and a stream of updates, "" for the main one.
type place struct{ major, channel string }

func (p place) namespace() string { return "rhel:" + p.major }

const (
	// oldest is the first major version that is read.
	oldest = 5
	// newest bounds what is taken for a major version.
	newest = 99
	// streamEnded is extended life cycle support: the only stream after the main one has ended.
	streamEnded = "els"
	// buildRoot begins the ids of platforms packages are built on, not for.
	buildRoot = "rhel-br-"
	// hypervisor marks Red Hat Virtualization in the CPE of the release it runs on.
	hypervisor = "hypervisor"
)

// streams are the products, by CPE, whose version begins with that of Red Hat Enterprise Linux, and what stream their
// updates are. Extras, for RHEL 5 to 7, hold packages the release has not.
var streams = map[string]string{
	"enterprise_linux": "",
	"rhel_eus":         "eus", "enterprise_linux_eus": "eus", "rhel_eus_long_life": "eus",
	"rhel_aus": "aus", "rhel_e4s": "e4s", "rhel_tus": "tus", "rhel_els": streamEnded,
	"rhel_extras": "", "rhel_extras_other": "", "rhel_extras_oracle_java": "", "rhel_extras_hpn": "", "rhel_extras_nfv": "", "rhel_extras_rt": "",
	"rhel_extras_sap": "", "rhel_extras_sap_eus": "sap", "rhel_extras_sap_e4s": "sap", "rhel_extras_sap_els": "sap",
	"rhel_extras_sap_hana": "", "rhel_extras_sap_hana_eus": "sap", "rhel_extras_sap_hana_e4s": "sap", "rhel_extras_sap_hana_els": "sap",
}

// collections are layered products whose packages have names of their own, so that they cannot be taken for others.
// Where their CPE does not name the release they are for ("…::el7"), it is the one they ended with.
var collections = map[string]string{
	"rhel_software_collections": "7", "rhel_dotnet": "7", "devtools": "7", "developer_toolset": "6", "dts": "6",
}

var (
	releaseShape = regexp.MustCompile(`^([0-9]{1,2})(\.[0-9]{1,2})?$`)
	editionShape = regexp.MustCompile(`^el([0-9]{1,2})$`)
)

// placeOf reads the CPE of a platform, a URI of version 2.2: "cpe:/a:redhat:rhel_eus:9.4::appstream". It is false for
// what is not read.
func placeOf(id string, p csaf.Product) (place, bool) {
	uri, ok := strings.CutPrefix(p.CPE, "cpe:/")
	if !ok || strings.HasPrefix(id, buildRoot) {
		return place{}, false
	}
	// part, vendor, product, version, update, edition
	parts := strings.Split(uri, ":")
	if len(parts) < 3 || parts[1] != "redhat" {
		return place{}, false
	}
	parts = append(parts, make([]string, 3)...)
	product, version, editions := parts[2], parts[3], parts[4:]
	if major, ok := collections[product]; ok {
		for _, e := range editions {
			if m := editionShape.FindStringSubmatch(e); m != nil {
				major = m[1]
			}
		}
		return place{major, ""}, supported(major)
	}
	stream, ok := streams[product]
	m := releaseShape.FindStringSubmatch(version)
	if !ok || m == nil || !supported(m[1]) {
		return place{}, false
	}
	for _, e := range editions {
		if e == hypervisor {
			return place{}, false
		}
	}
	if stream != "" && stream != streamEnded && m[2] != "" {
		stream += ":" + version
	}
	return place{m[1], stream}, true
}

func supported(major string) bool {
	n, err := strconv.Atoi(major)
	return err == nil && n >= oldest && n <= newest && strconv.Itoa(n) == major
}

// chosen reads the releases of the settings, "9" or "name=9"; nil stands for all: ErrRelease.
func chosen(releases []string) (map[string]bool, error) {
	if len(releases) == 0 {
		return nil, nil
	}
	out := map[string]bool{}
	for _, r := range releases {
		_, number, named := strings.Cut(strings.TrimSpace(r), "=")
		if !named {
			number = strings.TrimSpace(r)
		}
		if !supported(number) {
			return nil, fmt.Errorf("%w: %q; write its major version, like \"9\"", ErrRelease, r)
		}
		out[number] = true
	}
	return out, nil
}
