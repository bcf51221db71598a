package policy

// Violations counts the findings that stop the image.
func (r *Result) Violations() int {
	if r.Details == nil {
		return 0
	}
	n := 0
	for i := range r.Details.Findings {
		if r.Details.Findings[i].Action == Stop {
			n++
		}
	}
	return n
}
