package rpm

import (
	"math"
	"strconv"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/cpe"
)

const metadataType = "RpmMetadata"

// describe makes a package of a header.
func describe(h header, location string) catalog.Package {
	p := catalog.Package{
		Type:         catalog.TypeRpm,
		Name:         h.text(tagName),
		Arch:         h.text(tagArch),
		Licenses:     catalog.Licenses(h.text(tagLicense)),
		Origin:       catalog.Text(h.text(tagVendor)),
		Location:     location,
		MetadataType: metadataType,
		Metadata:     map[string]string{},
	}
	epoch, hasEpoch := h.number(tagEpoch)
	version, release, source := h.text(tagVersion), h.text(tagRelease), h.text(tagSourceRPM)
	setVersion(&p, epoch, version, release, source)
	for _, tag := range []uint32{tagLongSize, tagSize} { // the long one is set where 32 bits do not do
		if size, ok := h.number(tag); ok && p.Size == 0 && size <= math.MaxInt64 {
			p.Size = int64(size)
		}
	}
	if hasEpoch {
		p.Metadata["epoch"] = strconv.FormatUint(epoch, 10)
	}
	for name, value := range map[string]string{
		"version": version, "release": release, "source_rpm": source, catalog.MetadataModularity: h.text(tagModularity),
		"vendor": h.text(tagVendor), "packager": h.text(tagPackager), "url": h.text(tagURL), "summary": h.text(tagSummary),
	} {
		if value = catalog.Text(value); value != "" {
			p.Metadata[name] = value
		}
	}
	return p
}

// setVersion writes versions the way advisories do: epoch:version-release, the epoch only where it is not 0,
// which is what a missing one counts as (rpm-version(7)).
func setVersion(p *catalog.Package, epoch uint64, version, release, sourceRPM string) {
	if version == "" {
		return
	}
	evr := version
	if release != "" {
		evr += "-" + release
	}
	p.CPEs = cpe.Candidates([]string{p.Name}, []string{p.Name}, evr, cpe.AnySoftware)
	p.Version = withEpoch(epoch, evr)
	p.Source, p.SourceVersion = source(sourceRPM)
	// The name of a source package has no epoch. rpmbuild gives sub-packages that of the main package unless
	// they have a version of their own.
	if p.SourceVersion == evr {
		p.SourceVersion = p.Version
	}
}

func withEpoch(epoch uint64, evr string) string {
	if epoch == 0 {
		return evr
	}
	return strconv.FormatUint(epoch, 10) + ":" + evr
}

// source takes the name of a source package apart: NAME-VERSION-RELEASE.src.rpm, or .nosrc.rpm where sources
// may not be passed on. Version and release have no hyphen (rpm-spec(5)).
func source(file string) (name, version string) {
	rest, ok := strings.CutSuffix(file, ".rpm")
	if !ok {
		return "", ""
	}
	if rest, ok = strings.CutSuffix(rest, ".src"); !ok {
		if rest, ok = strings.CutSuffix(rest, ".nosrc"); !ok {
			return "", ""
		}
	}
	release := strings.LastIndexByte(rest, '-')
	if release < 0 {
		return "", ""
	}
	v := strings.LastIndexByte(rest[:release], '-')
	if v <= 0 {
		return "", ""
	}
	return rest[:v], rest[v+1:]
}
