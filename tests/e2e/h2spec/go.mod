module h2spec

go 1.22

require (
	github.com/fatih/color v1.18.0
	github.com/summerwind/h2spec v2.2.1+incompatible
	golang.org/x/net v0.33.0
)
