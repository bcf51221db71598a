package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds of looking for a suggestion.
const (
	maxSuggestedBytes = 64
	maxSuggestedWords = 500
)

// suggest names the word somebody probably meant, as the end of a message; empty when none is near.
func suggest(word string, words []string) string {
	if len(word) > maxSuggestedBytes || len(words) > maxSuggestedWords {
		return ""
	}
	word = strings.ToLower(word)
	best, nearest := "", len(word)/3+1
	for _, candidate := range slices.Sorted(slices.Values(words)) {
		if len(candidate) > maxSuggestedBytes {
			continue
		}
		if d := distance(word, strings.ToLower(candidate)); d < nearest || d == nearest && best == "" {
			best, nearest = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance is the number of bytes to insert, delete, replace or swap with their neighbour to turn one word into
// another (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
