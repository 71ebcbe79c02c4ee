# Finds the C client library of the MySQL driver, which speaks to MySQL and MariaDB: MariaDB's own,
# or where that is missing MySQL's. XA_TM_MYSQL_CLIENT, which is mariadb or mysql, asks for one.
# Defines the target MySQL::client; MySQLClient_KIND, mariadb or mysql; and MySQLClient_PKG_CONFIG,
# its name for pkg-config.
if(NOT DEFINED XA_TM_MYSQL_CLIENT) # the installed package sets what it was built for
    set(XA_TM_MYSQL_CLIENT "" CACHE STRING
        "The MySQL driver's client library: mariadb, mysql, or empty for what is there")
    set_property(CACHE XA_TM_MYSQL_CLIENT PROPERTY STRINGS "" mariadb mysql)
endif()
if(NOT XA_TM_MYSQL_CLIENT MATCHES "^(mariadb|mysql)?$")
    message(FATAL_ERROR "XA_TM_MYSQL_CLIENT is \"${XA_TM_MYSQL_CLIENT}\"; set it to mariadb or mysql")
endif()

# Both call their header mysql.h, and each has some that the other lacks.
if(NOT XA_TM_MYSQL_CLIENT STREQUAL "mysql")
    find_path(MariaDBClient_INCLUDE_DIR mariadb_version.h PATH_SUFFIXES mariadb)
    find_library(MariaDBClient_LIBRARY mariadb)
endif()
if(NOT XA_TM_MYSQL_CLIENT STREQUAL "mariadb")
    find_path(OracleClient_INCLUDE_DIR field_types.h PATH_SUFFIXES mysql)
    find_library(OracleClient_LIBRARY mysqlclient)
endif()

set(MySQLClient_KIND "${XA_TM_MYSQL_CLIENT}")
if(MySQLClient_KIND STREQUAL "")
    set(MySQLClient_KIND mariadb)
    if(NOT MariaDBClient_LIBRARY AND OracleClient_LIBRARY)
        set(MySQLClient_KIND mysql)
    endif()
endif()
if(MySQLClient_KIND STREQUAL "mariadb")
    set(MySQLClient_LIBRARY "${MariaDBClient_LIBRARY}")
    set(MySQLClient_INCLUDE_DIRS "${MariaDBClient_INCLUDE_DIR}")
    set(MySQLClient_PKG_CONFIG libmariadb)
elseif(OracleClient_INCLUDE_DIR)
    set(MySQLClient_LIBRARY "${OracleClient_LIBRARY}")
    # Some of its headers include others as mysql/NAME.
    cmake_path(GET OracleClient_INCLUDE_DIR PARENT_PATH parent)
    set(MySQLClient_INCLUDE_DIRS "${OracleClient_INCLUDE_DIR}" "${parent}")
    set(MySQLClient_PKG_CONFIG mysqlclient)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MySQLClient
    REQUIRED_VARS MySQLClient_LIBRARY MySQLClient_INCLUDE_DIRS)
if(MySQLClient_FOUND AND NOT TARGET MySQL::client)
    add_library(MySQL::client UNKNOWN IMPORTED)
    set_target_properties(MySQL::client PROPERTIES
        IMPORTED_LOCATION "${MySQLClient_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${MySQLClient_INCLUDE_DIRS}")
endif()
mark_as_advanced(MariaDBClient_INCLUDE_DIR MariaDBClient_LIBRARY
    OracleClient_INCLUDE_DIR OracleClient_LIBRARY)
