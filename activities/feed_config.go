package activities

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plimsoll/activities/fetch"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/almalinux"
	"plimsoll/engine/feed/alpine"
	"plimsoll/engine/feed/amazon"
	"plimsoll/engine/feed/arch"
	"plimsoll/engine/feed/azurelinux"
	"plimsoll/engine/feed/bitnami"
	"plimsoll/engine/feed/chainguard"
	"plimsoll/engine/feed/clamav"
	"plimsoll/engine/feed/debian"
	"plimsoll/engine/feed/echo"
	"plimsoll/engine/feed/endoflife"
	"plimsoll/engine/feed/epss"
	"plimsoll/engine/feed/exclusion"
	"plimsoll/engine/feed/external"
	"plimsoll/engine/feed/fedora"
	"plimsoll/engine/feed/gems"
	"plimsoll/engine/feed/ghsa"
	"plimsoll/engine/feed/govulndb"
	"plimsoll/engine/feed/kev"
	"plimsoll/engine/feed/minimos"
	"plimsoll/engine/feed/msrc"
	"plimsoll/engine/feed/npm"
	"plimsoll/engine/feed/nvd"
	"plimsoll/engine/feed/oracle"
	"plimsoll/engine/feed/osv"
	"plimsoll/engine/feed/photon"
	"plimsoll/engine/feed/redhat"
	"plimsoll/engine/feed/relay"
	"plimsoll/engine/feed/rocky"
	"plimsoll/engine/feed/rubysec"
	"plimsoll/engine/feed/sources"
	"plimsoll/engine/feed/suse"
	"plimsoll/engine/feed/ubuntu"
	"plimsoll/engine/feed/wolfi"
	"plimsoll/internal/config"
)

// Feeds is the configuration section of vulnerability feeds.
type Feeds struct {
	Enabled          bool             `yaml:"enabled" doc:"Synchronise vulnerability data on a schedule. A manual sync works either way."`
	Interval         time.Duration    `yaml:"interval" doc:"Time between two scheduled syncs of a source that names none of its own."`
	StaleAfter       time.Duration    `yaml:"stale_after" doc:"A group whose last success is longer ago raises an alarm, and never before twice its interval; 0 means never."`
	Retention        Retention        `yaml:"retention" doc:"How long the past of the feeds is kept."`
	Only             []string         `yaml:"only" doc:"Use these sources and no others, whatever their own switches say; empty means the switches."`
	MirrorURL        config.SecretURL `yaml:"mirror_url" doc:"Fetch feed documents from here instead of their publishers, as <mirror>/<source>/<host>/<path>; an http, https or file address. Empty means the publishers."`
	Upstream         config.SecretURL `yaml:"upstream" doc:"Read all sources from the feed service of another Plimsoll (feed_service.addr there) instead of their publishers; an http or https address."`
	Hosts            []string         `yaml:"hosts" doc:"Addresses that stand in for single publishers, as <host>=<address>: what is at https://<host>/<path> is fetched from <address>/<path>."`
	ProxyURL         config.SecretURL `yaml:"proxy_url" doc:"HTTP or SOCKS5 proxy for feed documents. Empty means what HTTPS_PROXY and NO_PROXY say."`
	CAFile           string           `yaml:"ca_file" doc:"Certificates in PEM form that publishers, mirrors and proxies may have besides those the system trusts."`
	MaxDocumentBytes int64            `yaml:"max_document_bytes" doc:"Largest feed document, in bytes."`
	VerifyTLS        bool             `yaml:"verify_tls" doc:"Verify the certificates of publishers, mirrors and proxies. Rather name their authority in ca_file than switch this off."`
	ConnectTimeout   time.Duration    `yaml:"connect_timeout" doc:"Longest wait for a connection, encryption included."`
	AnswerTimeout    time.Duration    `yaml:"answer_timeout" doc:"Longest wait for the beginning of an answer."`
	StallTimeout     time.Duration    `yaml:"stall_timeout" doc:"A transfer that brings no byte for this long is given up and tried again."`

	Exclude  Exclude    `yaml:"exclude" doc:"What matching leaves out. A change matches everything anew."`
	External []External `yaml:"external" doc:"Sources that programs of your own deliver, by the contract in deploy/external-feeds.md: each has a name and a command (program and arguments, run without a shell) or a url (asked by POST); may have disabled, interval, priority (higher goes before; publishers have 0, OSV.dev and the default -1, the NVD -2), timeout, token (given to a program as PLIMSOLL_FEED_TOKEN) and env (names of variables a program gets)."`

	AlmaLinux  Source `yaml:"almalinux" doc:"The errata of AlmaLinux."`
	Amazon     Source `yaml:"amazon" doc:"The updates of Amazon Linux."`
	Arch       Source `yaml:"arch" doc:"The security tracker of Arch Linux."`
	AzureLinux Source `yaml:"azurelinux" doc:"Azure Linux and CBL-Mariner."`
	Fedora     Source `yaml:"fedora" doc:"The updates of Fedora."`
	Oracle     Source `yaml:"oracle" doc:"Oracle Linux's OVAL definitions."`
	Photon     Source `yaml:"photon" doc:"Photon OS."`
	Rocky      Source `yaml:"rocky" doc:"The advisories of Rocky Linux."`
	SUSE       Source `yaml:"suse" doc:"SUSE Linux Enterprise and openSUSE, by their OVAL definitions."`
	Alpine     Source `yaml:"alpine" doc:"Alpine's security database, one group for each release."`
	Chainguard Source `yaml:"chainguard" doc:"Chainguard's security database. Its licence (CC BY-NC-ND with a clause about scanners) is for you to accept."`
	Debian     Source `yaml:"debian" doc:"Debian's security tracker, with the lists of DSA and DLA."`
	Echo       Source `yaml:"echo" doc:"The advisories of Echo, for images built on it."`
	MinimOS    Source `yaml:"minimos" doc:"The security database of MinimOS."`
	RedHat     Source `yaml:"redhat" doc:"Red Hat's CSAF VEX documents: what is fixed, and what is not."`
	Ubuntu     Source `yaml:"ubuntu" doc:"Ubuntu's OSV and VEX archives."`
	Wolfi      Source `yaml:"wolfi" doc:"Wolfi's security database. Its licence (CC BY-NC-ND with a clause about scanners) is for you to accept."`
	OSV        Source `yaml:"osv" doc:"The OSV.dev exports, one group for each ecosystem."`
	GHSA       Source `yaml:"ghsa" doc:"GitHub's advisory database itself; OSV.dev passes on what GitHub reviewed."`
	Bitnami    Source `yaml:"bitnami" doc:"Bitnami's vulnerability database itself; OSV.dev passes it on."`
	GoVulnDB   Source `yaml:"govulndb" doc:"The Go vulnerability database itself; OSV.dev passes it on."`
	RubySec    Source `yaml:"rubysec" doc:"The Ruby advisory database."`
	NVD        Source `yaml:"nvd" doc:"The National Vulnerability Database: scores of every CVE, and what is found by CPE. The token is an API key, which makes its first load faster."`
	KEV        Source `yaml:"kev" doc:"CISA's catalogue of vulnerabilities known to be exploited."`
	EPSS       Source `yaml:"epss" doc:"FIRST's exploit prediction scores; extra names another file than the current one."`
	EndOfLife  Source `yaml:"endoflife" doc:"Lifecycles of products, by endoflife.date."`
	MSRC       Source `yaml:"msrc" doc:"Microsoft's security updates; extra adds product ids."`
	Exclusions Source `yaml:"exclusions" doc:"Curated false positives of your own; extra names the documents as host/path."`
	Gems       Source `yaml:"gems" doc:"Names and versions of all gems, for policies about packages."`
	NPM        Source `yaml:"npm" doc:"What an npm registry knows of packages, for policies about them; extra lists the packages, and the registry as registry=<host>."`
	ClamAV     Source `yaml:"clamav_db" doc:"ClamAV's signatures, for workers that keep clamd's folder (worker.analysis.malware.signatures_dir). ecosystems chooses among main, daily and bytecode, or none; extra adds files of your own (.ndb, .hdb, .yara and others) as host/path. ClamAV's servers may refuse programs they do not know: name a mirror of your own under feeds.hosts then. feeds.upstream does not apply."`
}

// Retention is how long the past of the feeds is kept.
type Retention struct {
	History time.Duration `yaml:"history" doc:"Versions of records that were replaced or withdrawn; 0 means for ever, else at least 168h. Answers about the past then lack details of what was withdrawn before."`
	Runs    time.Duration `yaml:"runs" doc:"Records of synchronisations; 0 means for ever."`
}

// minHistory is longer than anything that still reads what a generation closed.
const minHistory = 7 * 24 * time.Hour

// Validate reports every fault of the section at once.
func (r Retention) Validate() error {
	var faults []error
	if r.History != 0 && r.History < minHistory {
		faults = append(faults, fmt.Errorf("history: must be 0 or at least %s", minHistory))
	}
	if r.Runs < 0 {
		faults = append(faults, errors.New("runs: must not be negative"))
	}
	return errors.Join(faults...)
}

// Exclude says what matching leaves out.
type Exclude struct {
	Sources      []string `yaml:"sources" doc:"Sources whose statements do not count, by name; their data is kept and shown."`
	PackageTypes []string `yaml:"package_types" doc:"Types of packages that are not matched, such as java-archive or binary."`
}

// Source is what can be said about one source.
type Source struct {
	Enabled    bool          `yaml:"enabled" doc:"Use this source. Switching it off keeps its data."`
	Interval   time.Duration `yaml:"interval" doc:"Time between two scheduled syncs of this source; 0 means feeds.interval."`
	Ecosystems []string      `yaml:"ecosystems" doc:"Ecosystems to read, in the source's spelling; empty means those the source has by default."`
	Releases   []string      `yaml:"releases" doc:"Releases to read, as name or name=number; empty means all that are known."`
	Token      config.Secret `yaml:"token" doc:"Credential for the publisher, where it knows one."`
	Extra      []string      `yaml:"extra" doc:"Further documents or identifiers, as the source's documentation says."`
}

// DefaultFeeds reads what needs no account and covers the packages analyzers find, four times a day.
func DefaultFeeds() Feeds {
	return Feeds{
		Enabled: true, Interval: 6 * time.Hour, MaxDocumentBytes: 4 << 30, VerifyTLS: true, ConnectTimeout: 10 * time.Second, AnswerTimeout: time.Minute, StallTimeout: time.Minute, StaleAfter: 48 * time.Hour,
		Retention: Retention{History: 400 * 24 * time.Hour, Runs: 90 * 24 * time.Hour},
		AlmaLinux: Source{Enabled: true}, Amazon: Source{Enabled: true}, Arch: Source{Enabled: true}, AzureLinux: Source{Enabled: true},
		Fedora: Source{Enabled: true}, Oracle: Source{Enabled: true}, Photon: Source{Enabled: true}, Rocky: Source{Enabled: true}, SUSE: Source{Enabled: true},
		Alpine: Source{Enabled: true}, Debian: Source{Enabled: true}, RedHat: Source{Enabled: true}, Ubuntu: Source{Enabled: true},
		OSV: Source{Enabled: true}, NVD: Source{Enabled: true}, KEV: Source{Enabled: true}, EPSS: Source{Enabled: true}, EndOfLife: Source{Enabled: true},
	}
}

// sources are the sections by the names of their drivers, external ones included.
func (f Feeds) sources() map[string]Source {
	out := f.builtin()
	for _, e := range f.External {
		out[e.Name] = Source{Enabled: !e.Disabled, Interval: e.Interval}
	}
	return out
}

func (f Feeds) builtin() map[string]Source {
	return map[string]Source{
		almalinux.Name: f.AlmaLinux, amazon.Name: f.Amazon, arch.Name: f.Arch, azurelinux.Name: f.AzureLinux, fedora.Name: f.Fedora,
		oracle.Name: f.Oracle, photon.Name: f.Photon, rocky.Name: f.Rocky, suse.Name: f.SUSE,
		alpine.Name: f.Alpine, chainguard.Name: f.Chainguard, debian.Name: f.Debian, echo.Name: f.Echo, minimos.Name: f.MinimOS,
		redhat.Name: f.RedHat, ubuntu.Name: f.Ubuntu, wolfi.Name: f.Wolfi, osv.Name: f.OSV, ghsa.Name: f.GHSA, bitnami.Name: f.Bitnami, govulndb.Name: f.GoVulnDB,
		nvd.Name: f.NVD, kev.Name: f.KEV, epss.Name: f.EPSS, endoflife.Name: f.EndOfLife, msrc.Name: f.MSRC, exclusion.Name: f.Exclusions,
		rubysec.Name: f.RubySec, gems.Name: f.Gems, npm.Name: f.NPM, clamav.Name: f.ClamAV,
	}
}

// minInterval keeps a schedule from asking publishers all the time.
const minInterval = time.Minute

// Validate reports every fault of the section at once.
func (f Feeds) Validate() error {
	var faults []error
	if f.Interval < minInterval {
		faults = append(faults, fmt.Errorf("interval: must be at least %s", minInterval))
	}
	for name, s := range f.builtin() {
		if s.Interval != 0 && s.Interval < minInterval {
			faults = append(faults, fmt.Errorf("%s.interval: must be 0 or at least %s", name, minInterval))
		}
	}
	for _, name := range f.Only {
		if _, ok := f.sources()[name]; !ok {
			faults = append(faults, fmt.Errorf("only: there is no source %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(f.sources())), ", ")))
		}
	}
	for _, h := range f.Hosts {
		if host, address, ok := strings.Cut(h, "="); !ok || host == "" || address == "" {
			faults = append(faults, fmt.Errorf("hosts: %q is not <host>=<address>", h))
		}
	}
	if f.StaleAfter < 0 {
		faults = append(faults, errors.New("stale_after: must not be negative"))
	}
	faults = append(faults, f.checkExternal()...)
	for _, name := range f.Exclude.Sources {
		if _, ok := f.sources()[name]; !ok {
			faults = append(faults, fmt.Errorf("exclude.sources: there is no source %q", name))
		}
	}
	return errors.Join(append(faults, f.fetch("").Validate())...)
}

func (f Feeds) fetch(scratch string) fetch.Config {
	hosts := make(map[string]string, len(f.Hosts))
	for _, h := range f.Hosts {
		host, address, _ := strings.Cut(h, "=")
		hosts[host] = address
	}
	if f.Upstream != "" {
		hosts[relay.Host] = f.Upstream.Reveal()
	}
	return fetch.Config{
		MirrorURL: f.MirrorURL.Reveal(), Hosts: hosts, ProxyURL: f.ProxyURL.Reveal(), CAFile: f.CAFile,
		MaxBytes: f.MaxDocumentBytes, Insecure: !f.VerifyTLS, Connect: f.ConnectTimeout, Answer: f.AnswerTimeout, Stall: f.StallTimeout, Scratch: scratch,
	}
}

// drivers are those built in, which read from the publishers or from another installation, and, in the order of the
// configuration, the external ones.
func (f Feeds) drivers() []feed.Driver {
	out := sources.All()
	if f.Upstream != "" {
		for i, d := range relay.Drivers(out) {
			if f.relays(d.Name) {
				out[i] = d
			}
		}
	}
	return append(out, f.externals()...)
}

// relays reports whether a source is read from another installation, whose feed service passes on records, not files.
func (f Feeds) relays(source string) bool {
	return f.Upstream != "" && source != clamav.Name && !slices.ContainsFunc(f.External, func(e External) bool { return e.Name == source })
}

// publishers are the drivers that read what the publishers themselves have.
func (f Feeds) publishers() []feed.Driver { return append(sources.All(), f.externals()...) }

func (f Feeds) externals() (out []feed.Driver) {
	for _, e := range f.External {
		out = append(out, external.New(e.Name))
	}
	return out
}

// settings are the operator's words for a source; a source without any is off.
func (f Feeds) settings(source string) feed.Settings {
	s := f.sources()[source]
	enabled := s.Enabled
	if len(f.Only) > 0 {
		enabled = slices.Contains(f.Only, source)
	}
	return feed.Settings{Enabled: enabled, Ecosystems: s.Ecosystems, Releases: s.Releases, Token: s.Token.Reveal(), Extra: s.Extra}
}

// interval is the time between two scheduled syncs of a source.
func (f Feeds) interval(source string) time.Duration {
	if own := f.sources()[source].Interval; own > 0 {
		return own
	}
	return f.Interval
}

// staleAfter is when a group of a source is stale; 0: never.
func (f Feeds) staleAfter(source string) time.Duration {
	if f.StaleAfter == 0 || !f.Enabled {
		return 0
	}
	return max(f.StaleAfter, 2*f.interval(source))
}
