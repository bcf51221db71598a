package matching

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Bounds of a sample: small enough to be kept beside the code.
const (
	sampleNames   = 12
	sampleRecords = 12      // of a name
	sampleSize    = 4 << 10 // bytes of a record
	// SampleSubjects is how many packages are drawn from a sample.
	SampleSubjects = 60
)

// Sample picks some packages of an ecosystem and everything the records say about them, and nothing else: answers about
// them are the same with the sample as with all records. The choice depends on the records alone.
func Sample(all []Record, ecosystem string) ([]Record, error) {
	about := map[string][]Record{}
	for i := range all {
		for name, r := range byName(&all[i], ecosystem) {
			trimmed, err := trim(r)
			if err != nil {
				return nil, fmt.Errorf("trim %s: %w", r.ID, err)
			}
			about[name] = append(about[name], trimmed)
		}
	}
	names := slices.SortedFunc(maps.Keys(about), func(a, b string) int { return strings.Compare(weight(ecosystem, a), weight(ecosystem, b)) })
	var out []Record
	taken := 0
	for _, name := range names {
		records := about[name]
		if len(records) > sampleRecords || slices.ContainsFunc(records, func(r Record) bool { return len(r.Raw) > sampleSize }) {
			continue
		}
		out = append(out, records...)
		if taken++; taken == sampleNames {
			break
		}
	}
	return once(out), nil
}

func weight(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return string(sum[:])
}

// byName splits a record into what it says about each name. Names that differ in case may be one package.
func byName(r *Record, ecosystem string) map[string]*Record {
	out := map[string]*Record{}
	for _, a := range r.Affected {
		if !a.About(ecosystem) {
			continue
		}
		name := strings.ToLower(a.Package.Name)
		if out[name] == nil {
			out[name] = &Record{ID: r.ID, Raw: r.Raw}
		}
	}
	return out
}

// kept are the fields matching rests on; the rest of a record is for people.
var (
	kept      = []string{"schema_version", "id", "modified", "published", "withdrawn", "aliases", "upstream", "related", "summary", "affected"}
	keptEntry = []string{"package", "ranges", "versions", "ecosystem_specific", "database_specific"}
	keptNotes = []string{"custom_ranges", "informational", "last_known_affected_version_range", "urgency"}
)

// trim leaves out what matching does not need.
func trim(r *Record) (Record, error) {
	var whole map[string]any
	if err := json.Unmarshal(r.Raw, &whole); err != nil {
		return Record{}, err
	}
	only(whole, kept)
	entries, _ := whole["affected"].([]any)
	for _, e := range entries {
		entry, ok := e.(map[string]any)
		if !ok {
			continue
		}
		only(entry, keptEntry)
		for _, notes := range []string{"ecosystem_specific", "database_specific"} {
			if m, ok := entry[notes].(map[string]any); ok {
				if only(m, keptNotes); len(m) == 0 {
					delete(entry, notes)
				}
			}
		}
	}
	raw, err := json.Marshal(whole)
	if err != nil {
		return Record{}, err
	}
	out := Record{Raw: raw}
	return out, json.Unmarshal(raw, &out)
}

func only(m map[string]any, names []string) {
	maps.DeleteFunc(m, func(name string, _ any) bool { return !slices.Contains(names, name) })
}

// once takes each record once, by id.
func once(list []Record) []Record {
	slices.SortFunc(list, func(a, b Record) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(list, func(a, b Record) bool { return a.ID == b.ID })
}

// Covered are the subjects a sample knows everything about: those of which it has every record that all has.
func Covered(sample, all []Record, ecosystem string, subjects []Subject) []Subject {
	count := func(list []Record) map[string]int {
		n := map[string]int{}
		for i := range list {
			for name := range byName(&list[i], ecosystem) {
				n[name]++
			}
		}
		return n
	}
	here, everywhere := count(sample), count(all)
	return slices.DeleteFunc(slices.Clone(subjects), func(s Subject) bool {
		name := strings.ToLower(s.Name)
		return here[name] != everywhere[name]
	})
}
