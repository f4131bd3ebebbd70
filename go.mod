module github.com/feiqian/feiqian

go 1.26
