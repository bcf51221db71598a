package image

import (
	"cmp"
	"slices"
	"strings"
)

// scans counts the layers by the scanner that looked at them.
func (a *assembly) scans() []Scan {
	layers := map[Scan]int{}
	for _, l := range a.layers {
		for i := range l.Evidence {
			if e := &l.Evidence[i]; e.Path == "" && e.Evidence.Malware != nil {
				layers[Scan{Scanner: e.Evidence.Malware.Scanner, Database: e.Evidence.Malware.Database}]++
			}
		}
	}
	var all []Scan
	for s, n := range layers {
		s.Layers = n
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y Scan) int {
		return cmp.Or(strings.Compare(x.Scanner, y.Scanner), strings.Compare(x.Database, y.Database))
	})
	return all
}

// maxMalware bounds the reports of one image.
const maxMalware = 10_000

// malware lists the infected files of all layers by path and layer, those that survive under their final path.
func (a *assembly) malware() []Malware {
	var all []Malware
	for i, l := range a.layers {
		for j := range l.Evidence {
			e := &l.Evidence[j]
			if e.Path == "" || e.Evidence.Malware == nil {
				continue
			}
			m := Malware{MalwareReport: *e.Evidence.Malware, Path: e.Path, Layer: l.Digest, Removed: true}
			if n := a.survivors[i][a.byPath[i][e.Path]]; n != nil {
				m.Path, m.Removed = n.path(), false
			}
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(x, y Malware) int { return strings.Compare(x.Path, y.Path) })
	return all[:min(len(all), maxMalware)]
}
