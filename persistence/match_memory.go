package persistence

import "sync"

// memorable is how many details are remembered: some 50 MB.
const memorable = 50_000

// memory keeps what the feeds say while many images are looked at: they share most of it.
type memory struct {
	mu    sync.Mutex
	known map[basis]detailRow
}

// Remembering returns a store that reads what the feeds say about a finding once, short texts only. It does not hear of
// later changes: it is for one pass over many images, after a generation was taken note of.
func (s *Matches) Remembering() *Matches {
	return &Matches{pool: s.pool, feeds: s.feeds, said: &memory{known: map[basis]detailRow{}}, correcting: s.correcting}
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
