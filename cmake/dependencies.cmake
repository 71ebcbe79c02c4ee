# Everything the libraries need. The installed package asks for the same list, so it is kept here only.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Boost 1.74 REQUIRED COMPONENTS log)
find_package(PostgreSQL 14 REQUIRED) # 14 brought the pipeline mode of libpq
find_package(MySQLClient REQUIRED)
find_package(Soci REQUIRED)
