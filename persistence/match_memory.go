package persistence

import "sync"

const (
	// memorable is how many details are remembered: some 50 MB.
	memorable = 50_000
	// memorableMatches are some 60 MB, memorablePackages, most of which have no match, some 30.
	memorableMatches  = 100_000
	memorablePackages = 400_000
)

// memory keeps what is known while many images are looked at: they share most of it. Where it is full it begins anew.
type memory struct {
	mu      sync.Mutex
	known   map[basis]detailRow
	matches map[int64][]*PackageMatch // current ones of dictionary entries, those without one too
	held    int                       // matches in all
	reading sync.Mutex                // one reads matches, the others find them known
}

func newMemory() *memory {
	return &memory{known: map[basis]detailRow{}, matches: map[int64][]*PackageMatch{}}
}

// Remembering returns a store that reads the matches of a package and what the feeds say about a finding once, short texts
// only. It does not hear of later changes: it is for one pass over many images, after a generation was taken note of, and
// what rests on it is as old as the store.
func (s *Matches) Remembering() *Matches {
	return &Matches{pool: s.pool, feeds: s.feeds, said: newMemory(), ratings: &ratingMemory{}, correcting: s.correcting}
}

// recall adds what is known to out, and returns what is not.
func (m *memory) recall(asked []basis, out map[basis]detailRow) (unknown []basis) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range asked {
		if known, ok := m.known[k]; ok {
			out[k] = known
		} else {
			unknown = append(unknown, k)
		}
	}
	return unknown
}

func (m *memory) keep(rows []detailRow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known)+len(rows) > memorable {
		clear(m.known)
	}
	for _, r := range rows {
		m.known[r.basis] = r
	}
}

// recallMatches adds the matches of known packages to out, and returns the packages that are not known.
func (m *memory) recallMatches(asked []int64, out map[int64][]*PackageMatch) (unknown []int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range asked {
		known, ok := m.matches[id]
		switch {
		case !ok:
			unknown = append(unknown, id)
		case len(known) > 0:
			out[id] = known
		}
	}
	return unknown
}

// keepMatches remembers what was found of the packages that were asked about.
func (m *memory) keepMatches(asked []int64, found map[int64][]*PackageMatch) {
	matches := 0
	for _, list := range found {
		matches += len(list)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held+matches > memorableMatches || len(m.matches)+len(asked) > memorablePackages {
		clear(m.matches)
		m.held = 0
	}
	m.held += matches
	for _, id := range asked {
		m.matches[id] = found[id]
	}
}
